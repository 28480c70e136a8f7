"""Scoring of labelled calls, pure: spans, words, speakers."""
