"""The live socket: one subscription and one status a process, fanned out to what each person may see."""
