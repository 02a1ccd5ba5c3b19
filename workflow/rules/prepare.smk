rule prepare_model:
    output:
        "results/models/{model}/manifest.json",
    log:
        "results/logs/prepare_model/{model}.log",
    benchmark:
        "results/benchmarks/prepare_model/{model}.jsonl"
    wildcard_constraints:
        model=one_of(PLAN.prepared_models()),
    resources:
        mem_mb=knob("mem_mb"),
        runtime=60,
    params:
        spec=spec_of("prepare_model", "{model}"),
        code=code_of("prepare_model"),
    message:
        "Prepare the base model {wildcards.model}"
    shell:
        "{JOB_PYTHON} scripts/prepare_model.py --spec {params.spec:q} --name {wildcards.model} --out {output} 2> {log}"


rule prepare_dataset:
    input:
        unpack(lambda wildcards: PLAN.dataset_inputs(wildcards.dataset)),
    output:
        "results/datasets/{dataset}/manifest.json",
    log:
        "results/logs/prepare_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare_dataset/{dataset}.jsonl"
    resources:
        mem_mb=knob("mem_mb"),
        runtime=60,
    params:
        spec=spec_of("prepare_dataset", "{dataset}"),
        code=code_of("prepare_dataset"),
    message:
        "Prepare the problems {wildcards.dataset}"
    shell:
        "{JOB_PYTHON} scripts/prepare_dataset.py --spec {params.spec:q} --name {wildcards.dataset}"
        " --exclude {input.exclude} --set {input.set} --tokenizer {input.tokenizer} --grades {input.grades} --history {input.history}"
        " --out {output} 2> {log}"


rule pretrain:
    input:
        unpack(lambda wildcards: PLAN.pretrain_inputs(wildcards.model)),
    output:
        "results/models/{model}/manifest.json",
    log:
        "results/logs/pretrain/{model}.log",
    benchmark:
        "results/benchmarks/pretrain/{model}.jsonl"
    wildcard_constraints:
        model=one_of(PLAN.pretrained_models()),
    threads: knob("train_threads")
    resources:
        gpu=min(1, knob("gpus")),
        processes=min(1, knob("gpus")),
        mem_mb=knob("mem_mb"),
        runtime=knob("train_minutes"),
    params:
        spec=spec_of("pretrain", "{model}"),
        code=code_of("pretrain"),
    message:
        "Pretrain {wildcards.model}"
    shell:
        "{JOB_PYTHON} scripts/launch.py --processes {resources.processes} -- scripts/pretrain.py --spec {params.spec:q} --name {wildcards.model}"
        " --model {input.model} --dataset {input.dataset} --out {output} --threads {threads} 2>> {log}"
