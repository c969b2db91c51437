"""What a deployment watches: the metrics at /metrics and the checks at /readyz (docs/operation.md)."""
