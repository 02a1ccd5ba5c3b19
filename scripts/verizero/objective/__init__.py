"""Policy-gradient objectives as pure functions: advantage, surrogate, weight."""
