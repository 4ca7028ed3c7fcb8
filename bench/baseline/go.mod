module valetkey.dev/bench/baseline

go 1.25
