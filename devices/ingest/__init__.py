"""What devices and VPN servers call. It knows no rule: it parses, asks the services, replies."""
