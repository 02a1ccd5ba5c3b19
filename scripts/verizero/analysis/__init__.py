"""Estimators, intervals, paired comparisons, tables, figures, report."""
