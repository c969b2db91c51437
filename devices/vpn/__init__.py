"""What runs beside OpenVPN and WireGuard and tells the site which devices are connected.

It runs on the VPN servers' hosts: the standard library alone, no Django, and `devices/__init__.py` with
this directory is all there is to copy (docs/openvpn.md, docs/wireguard.md).
"""
