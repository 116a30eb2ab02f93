"""
Whether a completion is right, as the lab that wrote this project judges it: the answer is what the first form of settings.json's "answers" that
the reply uses says, and the rule of its question says whether it is right.

Whole numbers, lists, countdown and boxed answers are judged here, as in the lab. Where the gold answer of an imported question is no whole
number, Math-Verify is asked.
"""
import json
import re
import threading
from fractions import Fraction
from pathlib import Path

settings = json.loads((Path(__file__).parent / "settings.json").read_text(encoding="utf-8"))

# The blanks of JavaScript, where the rules come from; Python's \s and strip() know others.
BLANKS = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
S = f"[{BLANKS}]"
MINUS = "\u2212"


def correct(completion, answer, rule, opened=None):
    """1.0 or 0.0. `opened`: the closing mark of a thinking that the prompt opened, without which the reply never began; empty: it opened none."""
    reply = without_thinking(completion, opened or None)
    if reply is None:
        return 0.0
    form, found, joined = extract(reply)
    if not found or found[-1] == "":
        return 0.0
    if rule == "gold":
        return float(equal_to_gold(answer, found, joined))
    said, accepts = found[-1], RULES[rule]
    number = stated_number(said) if form == "answer-is" else None
    right = accepts(said, answer) or (number is not None and accepts(str(number), answer))
    # Several boxes that say different things are a guess at more than one answer.
    return float(right and all(other == said or same(other, said) for other in set(found)))


def earned(choice, completion, answer, rule, opened=None):
    """The value of one of the run's rewards, before its weight: settings.json's "rewards"."""
    name, reply = choice["name"], without_thinking(completion, opened or None)
    if reply is None:
        return 0.0
    trimmed = reply.rstrip(" \t\n\r\f\v")
    if name == "correct":
        return correct(completion, answer, rule, opened)
    if name == "exact":
        return float(all(said.strip(BLANKS) == answer.strip(BLANKS) for said in extract(reply)[1] or [reply]))
    if name == "matches":
        from linear_pattern import found

        return float(found(choice["program"], reply))
    if name == "format":
        return float(len(extract(reply, settings["answers"][:1])[1]) == 1)
    if name == "think_answer":
        return float(is_think_answer(completion, opened))
    if name == "max_words":
        return float(len([word for word in re.split("[ \t\n\r\f\v]+", reply) if word]) <= choice["most"])
    if name == "contains":
        return float(choice["text"] in reply)
    if name == "ends_with":
        return float(trimmed.endswith(choice["text"]))
    if name == "no_commas":
        return float("," not in reply)
    if name == "lowercase":
        return float(not re.search("[A-Z]", reply))
    raise ValueError(f"There is no reward {name}.")


def is_think_answer(completion, opened):
    text = "<think>" + completion if opened == "</think>" else completion
    marks = ["<think>", "</think>", "<answer>", "</answer>"]
    places = [text.find(mark) for mark in marks]
    if any(text.count(mark) != 1 for mark in marks) or places != sorted(places):
        return False
    between = [text[: places[0]], text[places[1] + len(marks[1]) : places[2]], text[places[3] + len(marks[3]) :]]
    return all(part.rstrip(" \t\n\r\f\v") == "" for part in between)


# --- thinking ---------------------------------------------------------------------------------------------------------------------------

NAMES = ["think", "thinking", "thought", "thoughts", "reasoning", "reason", "analysis", "scratchpad", "seed:think"]
PAIRS = [(f"<{name}>", f"</{name}>") for name in NAMES] + [
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
]
CLOSING = {mark: closing for opening, closing in PAIRS for mark in (opening, closing)}
ANY_MARK = re.compile("|".join(re.escape(mark) for mark in CLOSING), re.IGNORECASE | re.ASCII)


def is_thinking_mark(token):
    return token.strip(BLANKS).lower() in CLOSING


def marks_of(text):
    """(start, end, opens, closing) of each; one that is quoted is only spoken of."""
    marks = []
    for match in ANY_MARK.finditer(text):
        start, end = match.span()
        if text[start - 1 : start] in tuple("\"'`“‘«") and text[end : end + 1] in tuple("\"'`”’»"):
            continue
        mark = match[0].lower()
        closing = CLOSING[mark]
        marks.append((start, end, mark != closing, closing))
    return marks


def without_thinking(text, opened):
    marks = marks_of(text)
    last = {closing: start for start, _, opens, closing in marks if not opens}
    if opened is not None and opened not in last:
        return None
    kept, begin, seen, inside, opened_at = [], 0, 0, opened, None
    silent = silent_line = True
    for start, end, opens, closing in marks:
        if inside is not None:
            if opens or closing != inside:
                continue
            kept = [] if opened_at is None else [*kept, text[begin:opened_at]]
            inside = None
            begin = seen = end
            continue
        gap = text[seen:start]
        line = gap.rfind("\n") + 1
        silent_line = (line > 0 or silent_line) and gap[line:].strip(BLANKS) == ""
        silent = silent and gap.strip(BLANKS) == ""
        seen = end
        if not opens:
            # Its opening was never written: all of it was thinking.
            kept, begin = [], end
            silent = silent_line = True
        elif last.get(closing, -1) > start:
            inside, opened_at = closing, start
        else:
            if silent or (silent_line and text[end:].split("\n", 1)[0].strip(BLANKS) == ""):
                return None
            silent = silent_line = False
    return "".join(kept) + text[begin:] if inside is None else None


# --- where a reply says its answer ------------------------------------------------------------------------------------------------------


def extract(reply, order=None):
    """The form, its answers in order, and whether several boxes are one list."""
    for form in order or settings["answers"]:
        if form == "boxed":
            found, joined = boxes(reply)
        else:
            one = FORMS[form](reply)
            found, joined = ([] if one is None else [one]), False
        if found:
            return form, found, joined
    return None, [], False


BOX = re.compile(rf"\\(?:boxed|fbox)(?![a-zA-Z]){S}*")
BARE = re.compile(rf"[-+{MINUS}]?[0-9.]?[0-9.,/ ]*[0-9]|\\[a-zA-Z]+(?:\{{[^{{}}]*\}})*[0-9]*|[^{BLANKS}$]|")


def boxes(text):
    answers, before, joined, at, closings = [], None, True, 0, None
    while match := BOX.search(text, at):
        at = match.end()
        if text[at : at + 1] != "{":
            content = BARE.match(text, at)[0]
            if content:
                answers.append(content)
                joined = joined and (before is None or joins(text[before : match.start()]))
            at += len(content)
            before = at
            continue
        closings = braces(text) if closings is None else closings
        start, end = at + 1, closings.get(at)
        if end is not None:
            answers.append(text[start:end].strip(BLANKS))
            joined = joined and (before is None or joins(text[before : match.start()]))
            before = end + 1
        at = start if end is None else end + 1
    return answers, joined and len(answers) > 1


def joins(between):
    plain = re.sub(rf"[{BLANKS}$]", "", between)
    return len(between) < 30 and plain in ("and", "or", ",", ",and", ",or", r"\text{and}", r"\text{or}", r"\quad")


def braces(text):
    closings, stack, at = {}, [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            stack.append(at)
        elif text[at] == "}" and stack:
            closings[stack.pop()] = at
        at += 1
    return closings


def tagged(text):
    end = text.rfind("</answer>")
    start = -1 if end < 0 else text.rfind("<answer>", 0, end + len("<answer>"))
    return None if start < 0 else text[start + len("<answer>") : end].strip(BLANKS)


def marked(text):
    """GSM8K's `#### 42`: the rest of the last such line; a heading says nothing."""
    following, looked = "", 0
    for line in reversed([line.strip(BLANKS) for line in text.split("\n")]):
        if looked == 50:
            return None
        hashes = [m for m in re.finditer("#+", line) if len(m[0]) == 4]
        if hashes:
            looked += 1
            rest = re.sub("^:", "", line[hashes[-1].end() :]).strip(BLANKS)
            said = following if rest == "" else rest
            if said and not is_heading(said, following == ""):
                return said
        if line:
            following = line
    return None


def is_heading(said, final):
    number = re.match(r"[-+]?[0-9][0-9,.]*(?:/[0-9]+)?\s*%?(?P<words>.*)\Z", said, re.S)
    if number and not re.search(r"[0-9:)]", number["words"]):
        return not final and bool(re.match(r"[^\w]+[A-Z]", number["words"]))
    return bool(re.match(r"[^\w]*(?:[^\W\d_]|[0-9]+(?:[.):]\s[^\w]*[^\W\d_]|\s+[A-Z]))", said[:100]))


STATEMENT = re.compile(
    rf"\banswer(?:{S}(?:to|of|for){S}[^\n.?!:]{{1,80}}?)?(?:{S}{{1,4}}(?:is|are|equals|will be|would be)\b|\*{{0,2}}{S}*[:=])",
    re.IGNORECASE | re.ASCII,
)
QUOTES = "_`\"'“”"


def stated(text):
    for match in reversed(list(STATEMENT.finditer(text))):
        after = text[match.end() : match.end() + 300].lstrip(BLANKS + ":*" + QUOTES)
        formula = formula_of(after)
        if formula is not None:
            return formula
        rest = after.lstrip(BLANKS + ":*$" + QUOTES)
        sentence = re.match(rf"[^\n]*?(?=[.!?](?:[{BLANKS}*$_`\"'“”]|\Z)|\n|\Z)", rest)
        said = re.sub(rf"[{BLANKS}*$,;_`\"'“”]{{1,20}}\Z", "", sentence[0]) if sentence else ""
        if said:
            return said
    return None


def formula_of(text):
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        if text.startswith(opening):
            end = text.find(closing, len(opening))
            rest = text[end + len(closing) :]
            if end < 0 or not re.match(rf"[.!?,;*_\"'”]*(?:{S}|\Z)", rest):
                return None
            rest = re.sub(r"^[.!?,;*_\"'”]+", lambda stop: "\n" if re.search("[.!?]", stop[0]) else "", rest)
            if not re.match(rf"(?:(?!\n){S})*(?:\n|\Z)", rest):
                return None
            return text[len(opening) : end].strip(BLANKS) or None
    return None


CHOICE = re.compile(
    rf"\(([A-J])\)|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer){S}?(?:is|:)?[{BLANKS}*]{{0,4}}\(?([A-J])(?![^\W_])"
    rf"|(?:(?<=[\n\r\u2028\u2029])|\A)[{BLANKS}*(]{{0,4}}([A-J])[).:*]{{0,3}}(?=[\n\r\u2028\u2029]|\Z)"
)


def choice(text):
    found = list(CHOICE.finditer(text))
    return next(group for group in found[-1].groups() if group) if found else None


NUMBER = re.compile(
    rf"[-{MINUS}]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?(?:{S}?\\?%)?|[-{MINUS}]?\.[0-9]+"
)


def last_number(text):
    found = list(NUMBER.finditer(text))
    if not found:
        return None
    before = text[found[-1].start() - 1 : found[-1].start()]
    # A dash between two numbers is no sign.
    return found[-1][0].lstrip("-" + MINUS) if before and (before.isalpha() or before in "0123456789)]}%.") else found[-1][0]


FORMS = {"answer-tag": tagged, "hashes": marked, "answer-is": stated, "choice": choice, "last-number": last_number}

# --- whether an answer is right ---------------------------------------------------------------------------------------------------------


def integer(answer):
    """`42`, `-7`, `$ 7`, `42.0`, `1,042`, `1{,}042`; None for anything else: an expression is no answer."""
    if len(answer) > 200:
        return None
    plain = re.sub(r"\{,\}|\\[,!]", ",", answer)
    plain = re.sub(r"\\?\$", "", plain).replace(MINUS, "-").strip(BLANKS)
    plain = re.sub(r"\.0*\Z", "", plain)
    if not re.fullmatch(r"[+-]? ?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)", plain):
        return None
    return int(re.sub("[+, ]", "", plain))


def same_integer(answer, gold):
    return integer(answer) is not None and integer(answer) == integer(gold)


def same_digits(answer, gold):
    return bool(re.fullmatch(rf"[0-9{BLANKS},]+", answer)) and re.sub(rf"[{BLANKS},]", "", answer) == gold.replace(" ", "")


def same_list(answer, gold):
    parts, right = re.split(rf"{S}*,{S}*|{S}+", answer.strip(BLANKS)), gold.split(" ")
    return len(parts) == len(right) and all(re.fullmatch("[0-9]+", p) and int(p) == int(r) for p, r in zip(parts, right))


def same_target(answer, gold):
    """Countdown: the gold expression says which numbers were given and what they have to make."""
    right, given = expression(gold), expression(answer)
    if right is None or given is None or right[0] is None or given[0] is None:
        return False
    return right[0].denominator == 1 and given[0] == right[0] and sorted(given[1]) == sorted(right[1])


RULES = {"integer": same_integer, "digits": same_digits, "list": same_list, "countdown": same_target}


def expression(text):
    """(value or None where something is divided by zero, the numbers written); None where it is no sum of + - * / and brackets."""
    if len(text) > 200:
        return None
    text = re.sub(r"\\times(?![a-z])|\\cdot(?![a-z])|[×·]", "*", text)
    text = re.sub(r"\\div(?![a-z])|÷", "/", text).replace("\\left(", "(").replace("\\right)", ")").replace(MINUS, "-")
    tokens, numbers = re.findall(rf"[0-9]+|[^{BLANKS}]", text), []

    class NoSum(Exception):
        pass

    def chain(operand, operators):
        left = operand()
        while tokens and tokens[0] in operators:
            operator, right = tokens.pop(0), operand()
            if left is None or right is None or (operator == "/" and right == 0):
                left = None
            else:
                left = {"+": left + right, "-": left - right, "*": left * right}[operator] if operator != "/" else left / right
        return left

    def atom():
        token = tokens.pop(0) if tokens else ""
        if token == "(":
            inner = chain(product, "+-")
            if not tokens or tokens.pop(0) != ")":
                raise NoSum
            return inner
        if not re.fullmatch("[0-9]+", token):
            raise NoSum
        numbers.append(int(token))
        return Fraction(int(token))

    def product():
        return chain(atom, "*/")

    try:
        value = chain(product, "+-")
    except NoSum:
        return None
    return None if tokens else (value, numbers)


def same(one, other):
    """Whether two boxes of one reply say the same: the same number, or the same text but for blanks."""
    a, b = amount(one), amount(other)
    if a is not None or b is not None:
        return a == b
    plain = [re.sub(S, "", text) for text in (one, other)]
    return plain[0] == plain[1] != ""


UNIT = rf"(?:{S}*\\text\{{{S}*[a-zA-Z]+\}}|{S}+[a-z]{{3,}})?\.?"
PLAIN = re.compile(rf"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:/([0-9]+))?{UNIT}")
QUOTIENT = re.compile(rf"\\[dt]?frac\{{{S}*([0-9]+){S}*\}}\{{{S}*([0-9]+){S}*\}}{UNIT}")


def amount(text):
    """A number in figures or a fraction of such, perhaps with its unit; None for anything else."""
    plain = integer(text)
    if plain is not None:
        return Fraction(plain)
    text = text.strip(BLANKS).replace(MINUS, "-")
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    match = QUOTIENT.fullmatch(text) or PLAIN.fullmatch(text)
    if not match or len(text) > 200 or (match[2] and int(match[2]) == 0):
        return None
    return sign * Fraction(match[1]) / int(match[2] or 1)


def stated_number(said):
    """The whole number of a sentence that is one with its unit, or works one out: `8 apples`, `3 + 5 = 8`."""
    match = re.fullmatch(rf"{S}*\$?{S}*([-+{MINUS}]?[0-9][0-9,]*(?:\.0*)?)(?:{S}*[^\W\d_]+){{0,4}}\.?{S}*", said.split("=")[-1])
    return integer(match[1]) if match else None


def same_made(answer, gold):
    """Countdown of an imported set, whose gold says `23 from 30, 100, 93`."""
    target, numbers = gold.split(" from ")
    given = expression(answer)
    return given is not None and given[0] == int(target) and sorted(given[1]) == sorted(int(one) for one in numbers.split(", "))


RULES["target"] = same_made


def equal_to_gold(gold, found, joined):
    """Of an imported question. Numbers are compared exactly, and work that is left standing is none; anything else is asked of Math-Verify."""
    number = share(gold)
    if joined and any(not same(other, found[-1]) for other in found):
        return number is None and by_math_verify(gold, ", ".join(found))
    said = share(found[-1].split("=")[-1])
    if number is None or said is None:
        return not (number is not None and LEFT_TO_DO.search(found[-1])) and by_math_verify(gold, found[-1])
    decimals = max(len(text.split(".")[-1]) if "." in text else 0 for text in (gold, found[-1]))
    near = abs(number - said) * 2_000_000 <= 1 and abs(number - said) * 100_000 <= abs(number)
    # A decimal of six places or more stands for what it is rounded from.
    return number == said or (decimals >= 6 and number.denominator != 1 and near)


def share(text):
    """A number, a percentage as a hundredth; None for anything else."""
    plain = re.sub(rf"\A{S}*\\?\$|\\?\$?{S}*\Z", "", text)
    percent = re.search(rf"{S}*\\?%\Z", plain)
    number = amount(plain[: percent.start()] if percent else plain)
    return number / 100 if number is not None and percent else number


LEFT_TO_DO = re.compile(rf"[0-9)}}]{S}*(?:[-+*÷×·{MINUS}]|\\(?:cdot|times|div)(?![a-z])(?!{S}*10{S}*\^)){S}*[0-9(\\{{]|[0-9)]!")


def by_math_verify(gold, answer):
    from math_verify import parse, verify

    if max(len(gold), len(answer)) > 1000:
        return False
    # Its clock is a signal, which only the main thread can have.
    seconds = 5 if threading.current_thread() is threading.main_thread() else None
    read = [parse("\\boxed{" + text + "}", parsing_timeout=seconds) for text in (gold, answer)]
    return bool(verify(*read, timeout_seconds=seconds))
