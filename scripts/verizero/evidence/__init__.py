"""What was graded and logged, as rows: cells, comparisons, curves, behaviours, contamination."""
