"""Engines that hear what `tones` made, in a set time, and break when told to."""
