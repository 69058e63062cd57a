"""Measure: results and labels → metrics and calibration."""
