"""How people sign in and look after their account: what allauth asks of us, and pages of our own."""
