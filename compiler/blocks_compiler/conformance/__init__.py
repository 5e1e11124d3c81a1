"""The conformance suite: what every mixer must hold, one property a case, from what it declares.

    subject    the mixer under test: modules and inputs, made from a seed
    surroundings    the memory that it reads, or the owner of the keys that it borrows
    measure    errors between tensors and between states
    causality, splits, decoding, padding, packing, memory    what an output depends on, however it is called
    precision, gradients, repeats, order, tracing, loading, sizes    how it is computed
    cost, inside, weights, declaration    what is declared
    cases      the table of all cases and the capabilities that they need
    waivers    cases that cannot hold, and why
    suite      the parametrised pytest
    outcomes   the same without pytest, for `blocks conform`
    trials     which mixers to try: one by its name, or all of a recipe

`blocks.testing.conformance` is the front.
"""
