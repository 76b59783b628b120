from lab import ini


def test_sections_and_options_keep_their_order() -> None:
    text = ini.render({"b": {"two": 2, "one": "1"}, "a": {"empty": ""}})
    assert text == "[b]\ntwo = 2\none = 1\n\n[a]\nempty = \n"


def test_values_are_written_as_oslo_reads_them() -> None:
    text = ini.render({"DEFAULT": {"yes": True, "no": False, "several": ("x", "y")}})
    assert text == "[DEFAULT]\nyes = true\nno = false\nseveral = x,y\n"
