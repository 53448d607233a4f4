"""Named checks that rule declarations refer to as `module.function`.

A check is a plain function `(subject, world, params) -> Iterable[Hit]`. It may look at the whole
world, reports on its own subject, and never changes anything.
"""
