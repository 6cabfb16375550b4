"""The overview: who needs me now, and can I trust this screen?"""
