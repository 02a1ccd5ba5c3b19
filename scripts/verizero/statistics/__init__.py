"""Estimators, intervals, comparisons: pure functions on arrays, to be read beside a textbook. Imports nothing of ours."""
