from mmuniformer.models.heads.score_token_head import ScoreTokenHead
from mmuniformer.models.heads.token_label_head import TokenLabelHead

__all__ = ['ScoreTokenHead', 'TokenLabelHead']
