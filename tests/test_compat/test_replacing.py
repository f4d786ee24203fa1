from functools import wraps

from mmuniformer.compat.replacing import is_replaced, replace_once


class Library:
    def method(self):
        return ['theirs']

    @classmethod
    def of_class(cls):
        return [cls.__name__]

    @staticmethod
    def of_none():
        return ['none']


def longer(original):
    return lambda *args: [*original(*args), 'ours']


def test_every_kind_of_method_once():
    class Sub(Library):
        pass

    for name, expected in (
        ('method', ['theirs', 'ours']),
        ('of_class', ['Sub', 'ours']),
        ('of_none', ['none', 'ours']),
    ):
        before = getattr(Library, name)
        assert not is_replaced(before, by='one')
        done = [replace_once(Library, name, longer, by='one') for _ in '123']
        assert done == [True, False, False]
        assert getattr(Sub(), name)() == expected
        found = getattr(Library, name)
        assert is_replaced(found, by='one')
        assert not is_replaced(found, by='another')
        assert found.__name__ == before.__name__ == name


def test_several_may_replace_the_same():
    class Library:
        def method(self):
            return []

    for by in ('one', 'another', 'one', 'another'):
        replace_once(Library, 'method', longer, by=by)
    assert Library().method() == ['ours', 'ours']


def test_decorators_of_the_library_are_no_replacement():
    def decorate(function):
        return wraps(function)(lambda *args: function(*args))

    class Library:
        @decorate
        def method(self):
            return []

    assert replace_once(Library, 'method', longer, by='one')
    # Others who wrap it in turn do not hide it.
    Library.method = decorate(Library.method)
    assert not replace_once(Library, 'method', longer, by='one')
    assert Library().method() == ['ours']
