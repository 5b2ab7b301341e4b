"""The Groovy subset: what an expression yields, and what is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jenkins.groovy.interpreter import Interpreter
from sandbox.jenkins.groovy.parser import GroovySyntaxError, parse
from sandbox.jenkins.groovy.values import GroovyError, UnsupportedError, throw


class NoWorld:
    """A world without steps; `said` keeps what the script told it."""

    def __init__(self):
        self.said = []

    def call_step(self, name, positional, named, line):
        self.said.append((name, positional, named))

    def has_step(self, name):
        return name == "say"

    def variable(self, name):
        raise throw("MissingPropertyException", f"No such property: {name} for class: WorkflowScript")

    def check(self):
        pass

    def static_call(self, class_name, name, arguments):
        return NotImplemented


def evaluate(text):
    script = parse(text)
    interpreter = Interpreter(script, NoWorld())
    value = None
    for statement in script.statements:
        value = interpreter.run_statement(statement)
    return value


def said(text):
    world = NoWorld()
    script = parse(text)
    interpreter = Interpreter(script, world)
    for statement in script.statements:
        interpreter.run_statement(statement)
    return world.said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'a\'b\\c\n\té$x'", "a'b\\c\n\té$x"),
        (r"'\u0048\u00e9 \ud83d\ude00'", "Hé 😀"),
        (r"'\\u0041'", "\\u0041"),
        ("\"a${1 + 1}b$x\"".replace("$x", "\\$x"), "a2b$x"),
        ("def m = [a: [b: 'c']]\n\"$m.a.b!\"", "c!"),
        ("\"${['x': \"in ${'ner'} }\"].x}\"", "in ner }"),
        ("'''one\n'two'\n'''", "one\n'two'\n"),
        ("'''\\\none'''", "one"),
        (r"/a\/b\d$/", r"a/b\d$"),
        ("1 + 2 * 3 ** 2 - 7 % 4", 16),
        ("7.intdiv(2) + -3", 0),
        ("10 / 4 == 2.5", True),
        ("1000L * 3", 3000),
        ("null ?: 'else'", "else"),
        ("def x = null\nx?.size()", None),
        ("'' ? 1 : [] ? 2 : 0 ? 3 : 4", 4),
        ("3 in [1, 2, 3] && !('a' in ['b'])", True),
        ("2 !in 1..3", False),
        ("'main' ==~ /ma/", False),
        ("'main' ==~ /ma.*/", True),
        ("('main' =~ /ai/) ? 'found' : 'no'", "found"),
        ("('v1.2' =~ /v(\\d+)\\.(\\d+)/)[0][2]", "2"),
        ("(null ?: '') =~ /^feat\\// && true", False),
        ("[1, 2] + 3 << 4", [1, 2, 3, 4]),
        ("[a: 1, 'b-c': 2, (1 + 1): 3]", {"a": 1, "b-c": 2, 2: 3}),
        ("[a: 1, b: [2, null]].toString()", "[a:1, b:[2, null]]"),
        ("(1..4).collect { it * 2 }", [2, 4, 6, 8]),
        ("[3, 1, 2].sort().reverse().join('-')", "3-2-1"),
        ("[a: 1, b: 2].findAll { k, v -> v > 1 }", {"b": 2}),
        ("[a: 1].collect { \"${it.key}=${it.value}\" }", ["a=1"]),
        ("'a,b,,'.split(',')", ["a", "b"]),
        ("'x=1=2'.split('=', 2)", ["x", "1=2"]),
        ("'a1b22'.replaceAll(/(\\d+)/, '<$1>')", "a<1>b<22>"),
        ("'abcdef'[1..-2]", "bcde"),
        ("'abcdef'.take(3) + 'abc'[-1]", "abcc"),
        ("(String) 5 + 1", "51"),
        ("'5' as int", 5),
        ("new groovy.json.JsonSlurper().parseText('{\"a\": [1, 2]}').a[1]", 2),
        ("import groovy.json.JsonOutput\nJsonOutput.toJson([a: 'é', b: null])", '{"a":"\\u00e9","b":null}'),
        ("def f = { a, b = 2 -> a + b }\nf(1) + f.call(1, 1)", 5),
        ("def make() { int n = 0; return { -> n += 1; n } }\ndef c = make()\nc(); c()", 2),
        ("def (a, b) = [1, 2]\na + b", 3),
        ("'x' instanceof String && [1] instanceof List", True),
        ("def s = ''\nfor (int i = 0; i < 5; i++) { if (i == 1) continue; if (i == 4) { break }\n s += i }\ns", "023"),
        ("def s = 0\nwhile (true) { s++\n if (s > 3) break }\ns", 4),
        ("def s = ''\nfor (e in [a: 1, b: 2]) { s += e.key + e.value }\ns", "a1b2"),
        ("[1, 2, 3]\n  .findAll { it > 1 }\n  .size()", 2),
        ("def x = 1\nswitch ('feat/x') { case 'main': x = 2; break\ncase ~/feat.*/: x = 3; break\n"
         "default: x = 4 }\nx", 3),
        ("def r = ''\ntry { throw new IllegalStateException('no') } catch (RuntimeException e) { r = e.message }"
         " finally { r += '!' }\nr", "no!"),
        ("try { null.size() } catch (NumberFormatException | NullPointerException e) { 'npe' }", "npe"),
        ("def f(Map m, String t = 'd', Closure c) { m.a + t + c(1) }\nf(a: 'x') { it + 1 }", "xd2"),
        ("Map r = [run: []]\nr.run.add('n'); r.n = r.run.size()\nr['n']", 1),
    ],
)  # fmt: skip
def test_values(text, value):
    found = evaluate(text)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_calls_without_parentheses_and_with_closures():
    plain, named, closure, assigned = said("say 'x'\nsay label: 'a', script: \"b${1}\"\nsay(1) { 2 }\ndef r = say 1, 2")
    assert plain == ("say", ["x"], {})
    assert named == ("say", [], {"label": "a", "script": "b1"})
    assert closure[1][0] == 1
    assert closure[1][1]() == 2
    assert assigned == ("say", [1, 2], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def x = [1,2 }", "expecting ']', found '}' @ line 1, column 14."),
        ("stage('a') {\n", "expecting '}', found '' @ line 2, column 1."),
        ("say 1\nclass A { }", "'class' is not supported by the Jenkins stand-in @ line 2, column 1."),
        ("when { a() } steps { b() }", "expecting '}', found 'steps' @ line 1, column 14."),
        ("def x = 'a\n'", "expecting anything but ''\\n''; got it anyway in a '...' string @ line 1, column 11."),
        ("step [$class: 'X']", "No map entry allowed at this place @ line 1, column 6."),
        ("@Grab('x')\ndef y", "the annotation @Grab is not supported by the Jenkins stand-in @ line 1, column 2."),
        ("x = a & b", "the operator '&' is not supported by the Jenkins stand-in @ line 1, column 7."),
        (r"'\q'", "unexpected char: '\\' before 'q' @ line 1, column 2."),
        ("// \\u000a}", "expecting EOF, found '}' @ line 2, column 1."),
    ],
)
def test_refusals_name_place_and_construct(text, message):
    with pytest.raises(GroovySyntaxError) as refused:
        parse(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("new File('/etc/passwd').text", "RejectedAccessException", "Scripts not permitted to use new java.io.File"),
        ("System.getenv('HOME')", "RejectedAccessException", "staticMethod java.lang.System getenv"),
        ("[1, 2].max()", "RejectedAccessException", "max java.util.Collection"),
        ("'aGk='.decodeBase64()", "RejectedAccessException", "decodeBase64"),
        ("'ls'.execute()", "RejectedAccessException", "execute"),
        ("nothing + 1", "MissingPropertyException", "No such property: nothing for class: WorkflowScript"),
        ("int x = 'a'", "GroovyCastException", "Cannot cast object 'a'"),
        ("'x'.toInteger()", "NumberFormatException", 'For input string: "x"'),
        ("@NonCPS\ndef f() { say 'x' }\nf()", "IllegalStateException", "expected to call WorkflowScript.f"),
        ("def f() { f() }\nf()", "StackOverflowError", "nested"),
    ],
)
def test_errors_of_the_script(text, name, message):
    with pytest.raises(GroovyError) as failed:
        evaluate(text)
    assert failed.value.value.name == name
    assert message in str(failed.value)


def test_an_unknown_method_is_refused_with_its_line_and_no_catch_hides_it():
    with pytest.raises(UnsupportedError, match=r"WorkflowScript: 2: the method java.lang.String.eachLine is not supp"):
        evaluate("try {\n  'x'.eachLine { }\n} catch (Throwable t) { }")


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=40))
def test_any_text_survives_one_escaped_literal(text):
    named = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    escaped = "".join(
        named.get(c) or (c if " " <= c <= "~" else "".join(f"\\u{unit:04x}" for unit in _utf16(c))) for c in text
    )
    assert evaluate(f"'{escaped}'") == text


def _utf16(character):
    data = character.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


@pytest.mark.parametrize("iterable", ["a ?: b", "a ? b : c", "a && b", "a == b", "a as List"])
def test_what_follows_in_of_a_for_must_bind_tightly_as_in_groovy_2_4(iterable):
    with pytest.raises(GroovySyntaxError, match=r"expecting '\)', found"):
        parse(f"for (x in {iterable}) {{ }}")
    parse(f"for (x in ({iterable})) {{ }}")
    parse(f"for (def x : {iterable}) {{ }}")


def test_for_over_a_range_of_sums():
    assert evaluate("def s = 0\nfor (i in 1 + 1..<2 * 2) { s += i }\ns") == 5
