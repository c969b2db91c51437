"""Watchers of OpenVPN and WireGuard servers, which report to the site which devices are connected.

They run on the VPN servers' hosts and need only the standard library: `devices/__init__.py` and this
directory are all there is to copy (docs/openvpn.md, docs/wireguard.md).
"""
