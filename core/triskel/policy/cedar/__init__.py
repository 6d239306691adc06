"""Cedar: authored as text, checked by the reference implementation, compiled, and evaluated by generated code.

Its one rule: what this room decides is what Cedar's own evaluator would decide, or it is a denial.
Language: https://docs.cedarpolicy.com/policies/syntax-grammar.html
"""
