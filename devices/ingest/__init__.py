"""What devices and VPN servers call, over HTTP. It knows no rule: it parses, asks the services, replies."""
