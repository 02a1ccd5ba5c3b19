"""Problems and where they come from: sources, filters, selection, contamination, templates."""
