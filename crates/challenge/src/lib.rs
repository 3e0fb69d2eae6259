//! Instruments that judge predictions, and the gates and verdicts made of them.
