"""Answer extraction, verification in killable workers, and graders."""
