# Signatures of your own, one per line:
#   NAME = text              the bytes of the text, as they stand here
#   NAME = hex:DEADBEEF00    bytes in hexadecimal
# They are looked for in the raw mail and in everything found inside it. Point
# signatures.files in cordon.conf at this folder, then `cordon reload`.
