"""Engines that sample completions from a policy."""
