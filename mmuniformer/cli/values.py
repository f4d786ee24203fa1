"""Values of ``--cfg-options`` as they are typed.

The form is that of mmengine's ``DictAction``, which removes every space and
quotation mark of a value; here a path keeps its spaces, and quotes make text
of what is between them.
"""

from typing import Any

PAIRS = {'(': ')', '[': ']'}
QUOTES = ('"', "'")
WORDS = {'true': True, 'false': False}


def parse_value(text: str) -> Any:
    """Reads the value of an option.

    ====================  ================================================
    typed                 value
    ====================  ================================================
    ``2``, ``1e-4``       a number
    ``true``, ``None``    a bool in any case, None
    ``a,b``, ``[a, b]``   a list; spaces around its entries do not count
    ``(1,2)``, ``[(1,2)]``  a tuple, a list with one
    ``'a,b'``, ``"1"``    text; quotes around brackets do not count
    ``,``, ``my set/``    text, and anything else
    ====================  ================================================

    Args:
        text (str): What follows the first ``=``, after the shell.

    Raises:
        ValueError: If brackets are not closed, so that the end of an entry
            of a list is not known.
    """
    bare = text.strip()
    quoted = _within_quotes(bare)
    if quoted is not None:
        # Scripts and launchers may pass the quotes that a shell removes.
        return parse_value(quoted) if _is_list(quoted) else quoted
    if bare[:1] in PAIRS and ',' in bare and _end(bare, 0) is None:
        raise ValueError(f'the brackets of {bare} are not closed')
    if _is_list(bare):
        entries = [parse_value(part.strip()) for part in _split(bare[1:-1])]
        return tuple(entries) if bare[0] == '(' else entries
    if bare.strip(', '):
        entries = _split(text)
        if len(entries) > 1 or bare.endswith(','):
            return [parse_value(entry.strip()) for entry in entries]
    return _scalar(text)


def _within_quotes(text: str) -> str | None:
    """What is between the first and the last character, if these quote it."""
    if len(text) < 2 or text[0] not in QUOTES or text[-1] != text[0]:
        return None
    return None if text[0] in text[1:-1] else text[1:-1]


def _is_list(text: str) -> bool:
    """Whether the first bracket is closed by the last character."""
    return text[:1] in PAIRS and _end(text, 0) == len(text)


def _end(text: str, start: int) -> int | None:
    """Index behind the bracket that closes the one at ``start``.

    Quotes hide brackets where an entry begins with them.
    """
    expected, index = [], start
    while index < len(text):
        char = text[index]
        if char in QUOTES and text[:index].rstrip()[-1:] in ('[', '(', ','):
            closing = text.find(char, index + 1)
            index = max(index, closing)
        elif char in PAIRS:
            expected.append(PAIRS[char])
        elif char in PAIRS.values():
            if not expected or char != expected.pop():
                return None
            if not expected:
                return index + 1
        index += 1
    return None


def _split(text: str) -> list[str]:
    """Entries between the commas that stand in no bracket and no quotes.

    A comma after the last entry makes no other one.
    """
    entries, start, index = [], 0, 0
    while index < len(text):
        char = text[index]
        first = not text[start:index].strip()
        if char in QUOTES and first:
            index = max(index, text.find(char, index + 1))
        elif char in PAIRS:
            end = _end(text, index)
            if end is None:
                if ',' not in text:
                    break
                raise ValueError(
                    f'the brackets of {text} are not closed; quotes within '
                    'those of the shell make it one text: KEY="\'a(b,c\'"'
                )
            index = end - 1
        elif char == ',':
            entries.append(text[start:index])
            start = index + 1
        index += 1
    return [*entries, text[start:]] if text[start:].strip() else entries


def _scalar(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    word = text.strip()
    return None if word == 'None' else WORDS.get(word.lower(), text)
