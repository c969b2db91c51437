"""Tests with real programs around the site: other clusters, clocks that step, cables that are cut."""
