"""An alert: why did this fire, and is it true?"""
