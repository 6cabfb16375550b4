"""The detection engine: frames in, findings out. It knows no database, no clock and no Django."""
