"""Do sparse twins transfer? Originals and twins are taken to other tasks, each twin against its own dense control.

After Iofinova, Peste, Kurtz, Alistarh, "How Well Do Sparse ImageNet Models Transfer?" (CVPR 2022); protocols by their
code (IST-DASLab/sparse-imagenet-transfer).
"""
