"""Whether a run would go well here: environment, machine, clone, each thing that is wrong with what mends it."""
