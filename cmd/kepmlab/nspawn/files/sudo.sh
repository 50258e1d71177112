#!/bin/sh
# The stand-in for the agent's hook in front of sudo.
echo 'ERROR: To run sudo, use keepersudo' >&2
exit 1
