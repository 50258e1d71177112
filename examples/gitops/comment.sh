#!/bin/sh
# comment.sh puts a report into the comments of a pull request, or updates the comment
# that is there: it is found again by the report's first line. It needs curl and jq.
#
#   TOKEN=... NUMBER=12 sh comment.sh github|gitlab FILE
set -eu
file=$2
mark=$(head -n 1 "$file")
case $1 in
github)
	list=${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments
	one=${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues/comments
	method=PATCH header="Authorization: Bearer $TOKEN"
	;;
gitlab)
	list=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$NUMBER/notes
	one=$list
	method=PUT header="PRIVATE-TOKEN: $TOKEN"
	;;
*)
	echo "comment.sh: $1 is neither github nor gitlab" >&2
	exit 1
	;;
esac

call() { # the token goes to curl on a file descriptor, not on its command line
	printf 'header = "%s"\n' "$header" | curl -fsS --config - -H 'Content-Type: application/json' "$@"
}
id=$(call "$list?per_page=100" | jq -r --arg mark "$mark" '[.[] | select(.body | startswith($mark))][0].id // empty')
body=$(mktemp)
trap 'rm -f "$body"' EXIT
jq -Rs '{body: .}' <"$file" >"$body"
if [ -n "$id" ]; then
	call -X "$method" --data-binary "@$body" "$one/$id" >/dev/null
else
	call -X POST --data-binary "@$body" "$list" >/dev/null
fi
