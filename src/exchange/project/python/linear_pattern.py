"""
The regular expression of a reward, as the program that the lab runs (settings.json), so that both mean the same by it and no reply can hang it:
every pair of an instruction and a position is tried once. Python's own expressions are others in many small things, and may take years.
"""
from bisect import bisect_right

# Instructions x characters, as in the lab: a longer reply earns nothing.
MOST = 2**22
UNKNOWN, FAILED, SUCCEEDED = 0, 1, 2


def found(program, text):
    """Whether it matches anywhere."""
    if program["size"] * (len(text) + 1) > MOST:
        return False
    run = Run(program, text)
    return any(run.holds(at) for at in range(len(text) + 1))


class Run:
    def __init__(self, program, text):
        self.code, self.backward, self.text = program["code"], program["backward"], text
        self.states = bytearray(len(self.code) * (len(text) + 1))
        self.looks = {}

    def holds(self, start):
        """Whether it matches from this position. Every answer is kept."""
        width, states = len(self.code), self.states
        parents, stack = {}, [(start * width, -1)]
        while stack:
            state, origin = stack.pop()
            if states[state] == FAILED:
                continue
            if states[state] == UNKNOWN:
                states[state], parents[state] = FAILED, origin
                at, number = divmod(state, width)
                if self.code[number][0] != "match":
                    stack += [(after, state) for after in self.after(self.code[number], number, at)]
                    continue
                states[state] = SUCCEEDED
            while origin >= 0:
                states[origin], origin = SUCCEEDED, parents[origin]
            return True
        return False

    def after(self, instruction, number, at):
        """The states that come next."""
        kind, width = instruction[0], len(self.code)
        if kind == "set":
            near = at - 1 if self.backward else at
            if not 0 <= near < len(self.text) or not within(instruction[1], self.text[near]):
                return []
            return [(at - 1 if self.backward else at + 1) * width + number + 1]
        if kind == "split":
            return [at * width + instruction[2], at * width + instruction[1]]
        if kind == "jump":
            return [at * width + instruction[1]]
        if kind == "look":
            look = self.looks.setdefault(number, Run(instruction[1], self.text))
            holds = look.holds(at) != instruction[2]
        else:
            holds = edge(instruction, self.text, at)
        return [at * width + number + 1] if holds else []


def edge(instruction, text, at):
    where, word = instruction[1:]
    before, after = text[at - 1 : at] if at > 0 else "", text[at : at + 1]
    if where.startswith("line-"):
        near = before if where == "line-start" else after
        return near in ("", "\n", "\r", "\u2028", "\u2029")
    if where in ("start", "end"):
        return (before if where == "start" else after) == ""
    at_edge = (before != "" and within(word, before)) != (after != "" and within(word, after))
    return at_edge == (where == "word-edge")


def within(ranges, character):
    """Ranges: where the set begins, where it ends, where it begins again."""
    return bisect_right(ranges, ord(character)) % 2 == 1
