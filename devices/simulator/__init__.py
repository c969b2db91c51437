"""Virtual devices and VPN servers that speak the native protocol over real HTTP.

They know a site by its URL and a key file alone, no model and no database, so they can be pointed
at any running site.
"""
