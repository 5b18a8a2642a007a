#!/usr/bin/env bash
# make demo: the bundled model, compressed under a byte budget, verified, and telling a story.
. "$(dirname "$0")/chain.sh"

source=fixtures/stories260K/model.safetensors
artifact=out/stories260K.lmz
compress_and_verify "$source" "${BUDGET:-200kB}" "$artifact"
show run "$artifact" -p "Once upon a time" --temperature 0.8 --seed 1 --max-tokens 200 2> >(tee out/demo.log >&2)
wait $!
summary "$source" "$artifact" 20 out/demo.log
