"""What is told of devices in trouble, once and truly: rules, incidents, messages."""
