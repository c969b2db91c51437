"""Virtual devices and VPN servers that speak the native protocol over real HTTP.

They know a site only by its URL and a key file, and use no model and no database, so they work with any
running site.
"""
