"""What an edit of the dbt project changes: the id of a snapshot follows what the files say."""

from pathlib import Path

import pytest
import yaml

from penchant.building.project import content_version, edit_version

MODELS = Path(__file__).parents[2] / "dbt" / "models"

SQL = "-- orders\nselect\n    user_id, -- the user\n    'a  b' as text\nfrom {{ ref('users') }}\n"
YAML = """
models:
  - name: m
    description: Users.
    columns:
      - {name: user_id, data_type: varchar, description: The user.}
      - {name: text, data_type: varchar}
unit_tests:
  - {name: t, model: m, expect: {rows: [{user_id: u1}]}}
"""


def versions(project: Path, sql: str = SQL, described: str = YAML) -> tuple[str, str]:
    (project / "m.sql").write_text(sql)
    (project / "m.yml").write_text(described)
    return content_version(project), edit_version(project)


@pytest.mark.parametrize(
    ("sql", "described"),
    [
        (SQL.replace("-- the user", "/* who */ {# it is #}"), YAML),
        (SQL.replace("select\n   ", "select "), YAML),
        (SQL, YAML.replace("Users.", "All users.").replace("The user.", "It's a user.")),
        (SQL, YAML.replace("user_id: u1", "user_id: u2")),
        (SQL, "# a comment\n" + YAML),
    ],
)
def test_wording_changes_no_content(tmp_path: Path, sql: str, described: str) -> None:
    content, edit = versions(tmp_path)
    changed_content, changed_edit = versions(tmp_path, sql, described)
    assert changed_content == content
    assert changed_edit != edit


@pytest.mark.parametrize(
    ("sql", "described"),
    [
        (SQL.replace("a  b", "a b"), YAML),
        (SQL.replace("user_id,", "user_id + 1 as user_id,"), YAML),
        (SQL, YAML.replace("data_type: varchar}", "data_type: bigint}")),
        (
            SQL,
            YAML.replace("{name: text, data_type: varchar}", "{name: other, data_type: varchar}"),
        ),
    ],
)
def test_other_edits_change_the_content(tmp_path: Path, sql: str, described: str) -> None:
    content, _ = versions(tmp_path)
    assert versions(tmp_path, sql, described)[0] != content


@pytest.mark.parametrize(("macro", "variable"), [("in_slice(", "user_slices"), ("as_of(", "as_of")])
def test_unit_tests_do_not_depend_on_what_has_landed(macro: str, variable: str) -> None:
    """Neither on the number of slices, whose table is no input of theirs, nor on the data's end."""
    reading = {path.stem for path in MODELS.rglob("*.sql") if macro in path.read_text()}
    described = [yaml.safe_load(path.read_text()) for path in MODELS.rglob("*.yml")]
    tests = [test for each in described for test in each.get("unit_tests", ())]
    fixed = {
        test["name"]: variable in test.get("overrides", {}).get("vars", {})
        for test in tests
        if test["model"] in reading
    }
    assert fixed
    assert [name for name, is_fixed in fixed.items() if not is_fixed] == []
