#!/usr/bin/env bash
# make flagship: a real chat model of 134.5 million parameters, from the network to an answer.
. "$(dirname "$0")/chain.sh"

checkpoint=$(tools/fetch-smollm2.sh models)
model=out/SmolLM2-135M-Instruct
artifact=out/SmolLM2-135M-Instruct.lmz
rm -rf "$model"
show import "$checkpoint" -o "$model"
compress_and_verify "$model" "${BUDGET:-40MB}" "$artifact"
show chat "$artifact" -p "What is gravity?" --temperature 0 --max-tokens 200 2> >(tee out/flagship.log >&2)
wait $!
summary "$model" "$artifact" 8 out/flagship.log
