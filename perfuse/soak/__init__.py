"""Whole federations with faults from a seed, in virtual time, watched from outside."""
