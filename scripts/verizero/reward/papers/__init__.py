"""The graders of published papers, written again from descriptions of their rules, with the faults that the rules have.

Each judges as its paper's would, so that a stored completion can be graded by all of them; what a description leaves open
is said where it matters. What is ours in all of them: the limits on an answer before anything reads it, and the worker that
ends with its time. A text that meets a limit is wrong here; there it was wrong after some seconds, or hung.
"""
