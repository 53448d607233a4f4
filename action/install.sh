#!/usr/bin/env bash
# Makes a virtual environment in which `python -I -m meshlint` is the meshlint of this checkout.
#
# Nothing is built: the locked libraries are installed, each with its hash, and one line leads to the checkout, as in
# an editable installation. So the revision of the action is the revision of the linter.
#
# Everything here runs Python with -I: the working directory is the user's repository, and a file `venv.py` in a pull
# request must not take the place of the module.
set -euo pipefail

fail() {
  printf '::error title=meshlint::%s\n' "$1"
  exit 2
}

python=$INPUT_PYTHON
"$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "Python 3.10 or newer is needed: run actions/setup-python before, or name one by the input python."

# A job may use the action more than once, by several Pythons and at several revisions.
key=$("$python" -I -c '
import hashlib, sys
print(hashlib.sha256("\n".join([sys.executable, sys.version, *sys.argv[1:]]).encode()).hexdigest()[:16])
' "$GITHUB_ACTION_PATH")
venv=$RUNNER_TEMP/meshlint/venv-$key

if [ ! -e "$venv/complete" ]; then
  "$python" -I -m venv --clear "$venv" ||
    fail "No virtual environment could be made; Debian and Ubuntu need the package python3-venv."
  [ -e "$venv/bin/python" ] || fail "Runners with Windows are not supported; those with Linux and macOS are."
  "$venv/bin/python" -I -m pip --disable-pip-version-check --no-input --quiet \
    install --require-hashes --requirement "$GITHUB_ACTION_PATH/requirements.lock" ||
    fail "The libraries of meshlint could not be installed."
  "$venv/bin/python" -I -c '
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "meshlint.pth").write_text(sys.argv[1] + "\n", encoding="utf-8")
' "$GITHUB_ACTION_PATH"
  "$venv/bin/python" -I -m meshlint --version
  touch "$venv/complete"
fi

printf 'python=%s\n' "$venv/bin/python" >>"$GITHUB_OUTPUT"
