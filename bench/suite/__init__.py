# SPDX-License-Identifier: MPL-2.0
"""What bench/run and bench/compare share: plan, machine, report, plots, comparison."""
