#!/usr/bin/env bash
# Ends with the exit code of meshlint, once everything else is done.
set -euo pipefail

if [ "$UPLOAD_OUTCOME" = failure ]; then
  echo "::warning title=meshlint::The SARIF file was not taken by code scanning. The job needs the permission" \
    "security-events: write, in private repositories also actions: read and contents: read. Where there is no code" \
    "scanning, set the input upload to false."
fi
case $EXIT_CODE in
  0) echo "meshlint found nothing that fails this job; findings: $FINDINGS." ;;
  1) echo "meshlint fails this job; findings: $FINDINGS." ;;
  2) echo "::error title=meshlint::Bad usage, bad configuration or an internal error (exit code 2); the log of the" \
    "step before says what." ;;
  3) echo "::error title=meshlint::Nothing was linted (exit code 3): the paths hold no Kubernetes or Istio object." ;;
  *) echo "::error title=meshlint::meshlint ended unexpectedly, with exit code $EXIT_CODE." ;;
esac
exit "$EXIT_CODE"
