"""Signing in and managing one's account: adapters of allauth, and pages of this site."""
