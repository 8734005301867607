"""Variational dropout as The State of Sparsity (Gale, Elsen, Hooker 2019) runs it.

What its public code does otherwise than the method of `variational_dropout`: log α is clamped to ±8 in linear layers
too; biases are deterministic; weight decay acts on weights and biases alone. Its ε (1e-8 beside θ² and the outputs'
variances) are not taken over: they matter to weights below 1e-4 alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.sparsifiers import variational_sweep

if TYPE_CHECKING:
    from zootwins.population.variational import GaussianNoise

CLAMP = 8.0


class Settings(variational_sweep.Settings):
    """Settings of variational dropout as Gale et al. run it; the penalty is the KL term."""


class GaleVariationalDropout(variational_sweep.VariationalSweep):
    """Its own twins, beside those of the sweep."""

    id = "vdg"
    title = "Variational dropout (Gale et al.)"
    short = "VD Gale"
    section = "gale_variational_dropout"
    Settings = Settings

    def weights(self, settings: Settings) -> GaussianNoise:
        from zootwins.population.variational import GaussianNoise

        return GaussianNoise(
            settings.threshold,
            settings.initial_log_sigma2,
            linear_clamp=CLAMP,
            noisy_biases=False,
            noise_decays=False,
        )
