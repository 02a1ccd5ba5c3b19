"""What a study asks for: schema, registry, expansion into runs, and the spec of each stage."""
