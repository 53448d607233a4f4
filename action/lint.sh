#!/usr/bin/env bash
# One run of meshlint that writes the log, annotations, the job summary and the SARIF file.
#
# Ends with 0 whatever meshlint found: the SARIF file has to be uploaded before judge.sh fails the job.
set -euo pipefail
# The runner reads both streams by themselves; only in one stream do commands stop and resume where they should.
exec 2>&1

# What no manifest can hold, to end what is quoted from manifests and inputs.
end=$("$PYTHON" -I -c 'import secrets; print(secrets.token_hex(16))')

output() {
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# Bad usage, as meshlint itself ends with it.
refuse() {
  printf '::error title=meshlint::%s\n' "$1"
  output exit-code 2
  exit 0
}

flag() {
  case $2 in
    true | false) ;;
    *) refuse "The input $1 must be true or false." ;;
  esac
}

option() {
  # In one word, so that a value with a dash at its beginning stays a value.
  if [ -n "$2" ]; then
    command+=("$1=$2")
  fi
}

lines() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    if [ -n "$line" ]; then
      command+=("$line")
    fi
  done <<<"$1"
}

# Whether the token of this run may upload. https://docs.github.com/en/actions: runs for pull requests of forks, and
# runs that Dependabot triggers, get a token that can only read.
may_upload() {
  if [ "$GITHUB_ACTOR" = "dependabot[bot]" ]; then
    echo "Not uploaded to code scanning: the token of a run that Dependabot triggered cannot."
    return 1
  fi
  if [ "$GITHUB_EVENT_NAME" = pull_request ] && [ "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]; then
    echo "Not uploaded to code scanning: the token of a pull request from a fork cannot."
    return 1
  fi
}

flag annotations "$INPUT_ANNOTATIONS"
flag summary "$INPUT_SUMMARY"
case $INPUT_UPLOAD in
  auto | true | false) ;;
  *) refuse "The input upload must be auto, true or false." ;;
esac
cd -- "$GITHUB_WORKSPACE"
cd -- "$INPUT_WORKING_DIRECTORY" || refuse "The working-directory does not exist."

mkdir -p "$RUNNER_TEMP/meshlint"
work=$(mktemp -d "$RUNNER_TEMP/meshlint/run-XXXXXX")
case $INPUT_SARIF_FILE in
  "") sarif=$work/meshlint.sarif ;;
  /*) sarif=$INPUT_SARIF_FILE ;;
  *) sarif=$PWD/$INPUT_SARIF_FILE ;;
esac
mkdir -p -- "$(dirname -- "$sarif")" || refuse "The directory of sarif-file cannot be made."
# One that is left from before must not be taken for the report of this run.
rm -f -- "$sarif" || refuse "The sarif-file cannot be written."

command=("$PYTHON" -I -m meshlint check)
command+=("--format=text=$work/log.txt" "--format=json=$work/report.json" "--format=sarif=$sarif")
if [ "$INPUT_ANNOTATIONS" = true ]; then
  command+=("--format=github=$work/annotations.txt")
fi
if [ "$INPUT_SUMMARY" = true ]; then
  command+=("--format=github-summary=$work/summary.md")
fi
# The category in the file has precedence over the one that the upload is told.
option --sarif-category "$INPUT_CATEGORY"
option --profile "$INPUT_PROFILE"
option --config "$INPUT_CONFIG"
option --fail-on "$INPUT_FAIL_ON"
option --since "$INPUT_SINCE"
lines "$INPUT_ARGS"
command+=(--)
lines "$INPUT_PATHS"

# A line of the log that begins with :: is a command to the runner, and manifests may hold such lines.
echo "::stop-commands::$end"
code=0
"${command[@]}" </dev/null || code=$?
if [ -e "$work/log.txt" ]; then
  cat "$work/log.txt"
fi
printf '\n::%s::\n' "$end"

if [ -e "$work/annotations.txt" ]; then
  cat "$work/annotations.txt"
fi
if [ -e "$work/summary.md" ]; then
  cat "$work/summary.md" >>"$GITHUB_STEP_SUMMARY"
fi
if [ -e "$work/report.json" ]; then
  "$PYTHON" -I - "$work/report.json" >>"$GITHUB_OUTPUT" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    counts = json.load(file)["summary"]["findings"]
print(f"findings={sum(counts.values())}")
print(f"errors={counts['error']}")
print(f"warnings={counts['warning']}")
PYTHON
fi
if [ -e "$sarif" ]; then
  output sarif-file "$sarif"
fi
output exit-code "$code"

# What is not in a file that is uploaded counts as mended, so a run that did not see everything is not uploaded.
if [ "$code" -le 1 ] && [ -e "$sarif" ]; then
  case $INPUT_UPLOAD in
    true) output upload true ;;
    auto) if may_upload; then output upload true; fi ;;
  esac
fi
