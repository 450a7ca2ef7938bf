"""Coupling over time with a bidirectional conditioner, parallel both ways (the idea of FlowSeq, Ma et al. 2019)."""

prior(
    "bidirectional",
    label="coupling in time",
    role="beyond",
    time="beyond.bidirectional.BidirectionalTime",
    hidden="none",
    transform="nlsq",
    draft=True,
)
