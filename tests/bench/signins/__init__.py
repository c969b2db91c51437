"""What a flood of sign-ins does to heartbeats, where one process serves both."""
